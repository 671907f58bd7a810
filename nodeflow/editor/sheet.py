"""The style sheet; `theme` fills in the colours of the look. Roles in braces, doubled braces are the sheet's own."""

SHEET = """
QMainWindow, QDialog {{ background: {window}; }}
QMainWindow::separator {{ background: {gap}; width: 4px; height: 4px; }}
QMainWindow::separator:hover {{ background: {accent}; }}
QToolBar {{ background: {window}; border: none; border-bottom: 1px solid {gap}; padding: 6px 8px; spacing: 4px; }}
QToolBar QToolButton {{ border-radius: 6px; padding: 5px 10px; color: {text}; background: transparent; }}
QToolBar QToolButton:hover {{ background: {raised}; }}
QToolBar QToolButton:pressed {{ background: {line}; }}
QToolBar QToolButton:disabled {{ color: {faint}; }}
QToolBar::separator {{ background: {line}; width: 1px; margin: 6px 6px; }}
#run {{ background: {accent}; color: {on_accent}; font-weight: 600; padding: 6px 16px;
  border-radius: 7px; border: none; }}
#run:hover {{ background: {accent_hot}; }}
#run[running="true"] {{ background: {bad_soft}; color: {bad}; }}
#run:disabled {{ background: {raised}; color: {faint}; }}
#summary {{ color: {dim}; padding: 0 10px; }}
#path {{ color: {dim}; padding: 0 10px; }}
QMenuBar {{ background: {window}; color: {dim}; padding: 2px 4px; }}
QMenuBar::item {{ padding: 4px 9px; border-radius: 5px; background: transparent; }}
QMenuBar::item:selected {{ background: {raised}; color: {text}; }}
QMenu {{ background: {float}; border: 1px solid {body_edge}; border-radius: 8px; padding: 5px; }}
QMenu::item {{ padding: 6px 26px 6px 12px; border-radius: 5px; }}
QMenu::item:selected {{ background: {accent}; color: {on_accent}; }}
QMenu::item:disabled {{ color: {faint}; }}
QMenu::separator {{ height: 1px; background: {body_edge}; margin: 5px 8px; }}
QMenu::indicator {{ width: 14px; height: 14px; left: 4px; }}
QDockWidget {{ color: {dim}; font-weight: 600; titlebar-close-icon: none; }}
QDockWidget::title {{ background: {panel}; padding: 8px 12px; border: none; }}
QDockWidget > QWidget {{ background: {panel}; }}
QTabBar {{ background: {panel}; }}
QTabBar::tab {{ background: transparent; color: {faint}; padding: 7px 14px; border: none;
  border-bottom: 2px solid transparent; }}
QTabBar::tab:selected {{ color: {text}; border-bottom: 2px solid {accent}; }}
QTabBar::tab:hover {{ color: {text}; }}
QTabBar::close-button {{ image: url("{close}"); width: 14px; height: 14px; margin: 2px; border-radius: 4px; }}
QTabBar::close-button:hover {{ background: {raised}; }}
QTabWidget::pane {{ border: none; background: {panel}; }}
QStatusBar {{ background: {window}; color: {dim}; border-top: 1px solid {gap}; }}
QStatusBar::item {{ border: none; }}
QStatusBar QLabel {{ color: {dim}; padding: 2px 8px; }}
QTreeView, QListView, QPlainTextEdit, QTextBrowser, QScrollArea {{ background: {panel}; border: none; outline: none; }}
QScrollArea > QWidget > QWidget {{ background: {panel}; }}
#palette {{ background: {panel}; }}
QTreeView::item, QListView::item {{ padding: 5px 6px; border-radius: 5px; }}
QTreeView::item:hover, QListView::item:hover {{ background: {raised}; }}
QTreeView::item:selected, QListView::item:selected {{ background: {selected}; color: {text}; }}
QLineEdit, QPlainTextEdit#editor, QComboBox {{
  background: {sunk}; border: 1px solid {line}; border-radius: 6px; padding: 5px 8px; color: {text};
  selection-background-color: {accent}; selection-color: {on_accent}; }}
QLineEdit:focus, QPlainTextEdit#editor:focus, QComboBox:focus {{ border-color: {accent}; }}
QComboBox::drop-down {{ border: none; width: 22px; }}
QComboBox::down-arrow {{ image: url("{chevron}"); width: 10px; height: 10px; }}
QComboBox QAbstractItemView {{ background: {float}; border: 1px solid {body_edge};
  selection-background-color: {accent}; selection-color: {on_accent}; }}
QCheckBox {{ spacing: 8px; }}
QPushButton {{ background: {raised}; border: 1px solid {line}; border-radius: 6px; padding: 6px 12px; color: {text}; }}
QPushButton:hover {{ border-color: {accent}; }}
QPushButton:pressed {{ background: {line}; }}
QPushButton:focus {{ border-color: {accent}; }}
QScrollBar:vertical {{ background: transparent; width: 10px; margin: 0; }}
QScrollBar:horizontal {{ background: transparent; height: 10px; margin: 0; }}
QScrollBar::handle {{ background: {body_edge}; border-radius: 4px; min-height: 28px; min-width: 28px; margin: 2px; }}
QScrollBar::handle:hover {{ background: {faint}; }}
QScrollBar::add-line, QScrollBar::sub-line {{ height: 0; width: 0; }}
QScrollBar::add-page, QScrollBar::sub-page {{ background: transparent; }}
QToolTip {{ background: {float}; color: {text}; border: 1px solid {body_edge}; padding: 6px 8px; }}
#popup {{ background: {float}; border: 1px solid {body_edge}; border-radius: 10px; }}
#popup QLineEdit {{ font-size: {big}px; padding: 8px 10px; background: {sunk}; }}
#popup QListView {{ background: transparent; }}
#welcome, #welcome > QWidget > QWidget {{ background: {window}; }}
#heading {{ font-size: {heading_size}px; font-weight: 600; color: {text}; }}
#dim {{ color: {dim}; }}
#faint {{ color: {faint}; }}
#bad {{ color: {bad}; }}
#folders {{ background: {sunk}; border: 1px solid {line}; border-radius: 6px; }}
#card {{ background: {body}; border: 1px solid {body_edge}; border-radius: 10px; }}
#card:hover {{ border-color: {accent}; background: {raised}; }}
#card:focus {{ border-color: {accent}; }}
#notice {{ background: {notice}; color: {text}; border-bottom: 1px solid {wait}; }}
#title {{ font-size: {title_size}px; font-weight: 600; color: {text}; }}
#sections {{ background: transparent; }}
#sections::item {{ padding: 8px 10px; margin: 1px 0; }}
#settings_side {{ background: {window}; border-right: 1px solid {gap}; }}
#settings_dialog {{ background: {panel}; }}
#row {{ border-bottom: 1px solid {line}; background: transparent; }}
#settings, #settings > QWidget > QWidget {{ background: {panel}; }}
QSpinBox, QDoubleSpinBox {{
  background: {sunk}; border: 1px solid {line}; border-radius: 6px; padding: 5px 8px; color: {text};
  selection-background-color: {accent}; selection-color: {on_accent}; }}
QSpinBox QLineEdit, QDoubleSpinBox QLineEdit {{ background: transparent; border: none; padding: 0; }}
QSpinBox:focus, QDoubleSpinBox:focus {{ border-color: {accent}; }}
QSpinBox::up-button, QSpinBox::down-button, QDoubleSpinBox::up-button, QDoubleSpinBox::down-button {{ width: 0; }}
"""
